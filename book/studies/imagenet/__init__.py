"""A real ImageNet network read in several ways: the measurements of data/studies/measurements/lite0.yml."""
