"""People's photos: what is there, adding and changing them, and what looks at them."""

from facerec_mqtt.web.household.photos.adding import Upload
from facerec_mqtt.web.household.photos.audit import Audit
from facerec_mqtt.web.household.photos.look_alikes import LookAlikes
from facerec_mqtt.web.household.photos.of_strangers import StrangerPhotos
from facerec_mqtt.web.household.photos.photos import HouseholdPhotos
from facerec_mqtt.web.household.photos.worker import PhotoWorker

__all__ = ["Audit", "HouseholdPhotos", "LookAlikes", "PhotoWorker", "StrangerPhotos", "Upload"]
