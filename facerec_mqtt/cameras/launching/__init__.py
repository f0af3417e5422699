"""How a reader's process is started: alone, or forked from a process that has loaded what readers share.

    launch_alone         for a reader that is needed for a moment
    ForkServer           for those of a service: it starts one and kills it, by messages to
    └── forking          a process that has loaded the libraries, reads no camera and learns no password
        └── reader       forked for each connection: it hangs, crashes and is killed alone, as any process is

Interpreter and libraries are most of a reader's memory; forked readers have them in common.
"""

from facerec_mqtt.cameras.launching.alone import Child, Launch, launch_alone
from facerec_mqtt.cameras.launching.fork_server import ForkServer

__all__ = ["Child", "ForkServer", "Launch", "launch_alone"]
