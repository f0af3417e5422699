"""A first look with nothing to set up: drawn people, a small broker, the real rebuild and service."""

from facerec_mqtt.demo.show import run_demo

__all__ = ["run_demo"]
