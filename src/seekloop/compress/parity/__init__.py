"""The parity gate: no form leaves the compress stage before what it says was compared with what its parent says."""
