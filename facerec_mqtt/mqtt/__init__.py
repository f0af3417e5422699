"""MQTT: what is sent and received, and how.

topics      every topic of one service
payloads    JSON of events and states
discovery   the announcement of our entities to Home Assistant
commands    what others may ask for
connection  connecting and logging in
failures    why that fails, or a message is rejected
outbox      what is sent when the broker is there, and how large it may be
announcer   keeps the announcement true, and removes what is no more
removal     removes a person from the broker, for `facerec-mqtt forget`
"""
