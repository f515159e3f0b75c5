"""How fast mxisd is, as ratios within one run: machines are noisy."""
