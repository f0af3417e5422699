"""How the service performs, for whoever watches over it."""
