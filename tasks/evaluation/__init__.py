"""Is it better? Metrics, comparisons, calibration."""
