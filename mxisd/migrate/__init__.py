"""Moving in: what an older identity server has left on disk becomes ours."""
