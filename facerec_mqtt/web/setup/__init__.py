"""Setting cameras up: their region and smallest face, new ones, and saving that where it is ours.

cameras     the settings of the cameras, read and saved
camera_list the list of cameras as a settings file has it
finding     cameras in the network
words       all of that in sentences, and as lines to copy
routes      the API of it
pages       what a person sees of it
"""
