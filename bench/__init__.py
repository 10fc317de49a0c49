"""The benchmark: Lapstrake beside Docker with pip and Docker with uv. See docs/performance.md."""
