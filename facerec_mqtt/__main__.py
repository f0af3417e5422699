"""Run the command line as `python -m facerec_mqtt`."""

from facerec_mqtt.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
