"""A BMC of pyghmi that presses the buttons of an emulated machine.

Arguments: address, user, password, and the command that takes `get power` and the like.
"""

import subprocess
import sys

from pyghmi.ipmi.bmc import Bmc

ADDRESS, USER, PASSWORD, *CHASSIS = sys.argv[1:]


def chassis(*words):
    return subprocess.run([*CHASSIS, *words], capture_output=True, text=True, check=True).stdout


class LabBmc(Bmc):
    def get_power_state(self):
        return 1 if "power:1" in chassis("get", "power") else 0

    def power_on(self):
        chassis("set", "power", "1")

    def power_off(self):
        chassis("set", "power", "0")

    def power_cycle(self):
        chassis("set", "power", "0", "power", "1")

    def power_reset(self):
        chassis("set", "reset", "1")

    def power_shutdown(self):
        chassis("set", "shutdown", "1")

    def get_boot_device(self):
        return "network" if "boot:pxe" in chassis("get", "boot") else "default"

    def set_boot_device(self, bootdevice):
        chassis("set", "boot", "pxe" if bootdevice == "network" else "default")

    def cold_reset(self):
        return 0


LabBmc({USER: PASSWORD}, port=623, address=ADDRESS).listen()
