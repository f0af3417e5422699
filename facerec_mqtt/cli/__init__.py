"""The command line: `main` parses and dispatches, `output` prints, each other module is a command.

`enroll` has the commands on the enrollment folder, `rebuild` among them; `run` and `demo` are in
`service.run` and `demo`.
"""
