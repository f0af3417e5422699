"""What the page gives and changes: visits, strangers, people, photos, the model. There is no HTTP in it."""

from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.web.live import Live


class Household:
    """All that a household has on this machine; every method may be called from any thread.

    Args:
        folders: where its files are.
        live: the service, for who is present and for the state of the model.
    """

    def __init__(self, folders: PageFolders, live: Live) -> None:
        self._folders = folders
        self._live = live
