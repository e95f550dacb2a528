"""Where the project lies; puts tools/ on Python's path. No .pyc is left in the sources."""
import os
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
MODELS = os.path.join(ROOT, "tests", "models")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tools"))
