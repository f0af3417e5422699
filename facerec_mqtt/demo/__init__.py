"""A first look with nothing to set up: drawn people, a small broker, the real rebuild and service.

`demo.show` runs it; `demo.rendering` draws the people, also for `bench`, the tests and the documentation.
"""
