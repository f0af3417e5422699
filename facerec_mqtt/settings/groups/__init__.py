"""Settings that belong together: those with rules of their own, a module each; others are in `schema`."""
