"""Kinds of camera that give pictures one by one: folders, Motion JPEG, what the service hands over."""
