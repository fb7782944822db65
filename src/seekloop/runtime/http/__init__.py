"""HTTP/1.1 as engines and endpoints speak it: kept connections, and answers that come piece by piece."""
