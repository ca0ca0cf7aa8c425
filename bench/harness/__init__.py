"""What bench/run is made of: places (servers), chain (runs in turn), report and plots."""
