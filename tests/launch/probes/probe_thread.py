"""A module that starts a thread when imported, which no fork survives."""

import threading
import time

threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
