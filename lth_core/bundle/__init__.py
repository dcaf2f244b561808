"""A job or suite as one file for others, and what they can check of it without its workspace. Imports no torch."""
