"""Work shared by boxes: those with cameras and no model ask for names, and recognisers answer."""
