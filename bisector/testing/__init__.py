"""Contract suites: what every implementation of a seam must do, for plug-ins to inherit."""
