"""One camera on the service's side: its reader process, the supervision of that, and what is reported."""
