"""Who may use the page: sign-in, sessions, tokens, and what every request passes."""
