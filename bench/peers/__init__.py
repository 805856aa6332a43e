"""The Python side of the benches and fixtures: environments, models and data as the peers see them."""
