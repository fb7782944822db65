"""Recordings of calls: opened, resampled, heard by whisper, made into turns."""
