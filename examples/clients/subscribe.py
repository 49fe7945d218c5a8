"""
Prints every event of a Hydrant, over plain MQTT.

    python3 subscribe.py [HOST [PORT]]

Needs paho-mqtt: Debian's python3-paho-mqtt, or paho-mqtt 1.x from PyPI.
"""

import sys

import paho.mqtt.client as mqtt

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 1883


def on_connect(client, userdata, flags, rc):
    print("Connected with result code " + str(rc), flush=True)
    # Here and not after connect(): paho reconnects by itself, and then this runs again.
    client.subscribe("#")


def on_message(client, userdata, msg):
    print(msg.topic + " " + str(msg.payload), flush=True)


client = mqtt.Client()
client.on_connect = on_connect
client.on_message = on_message
client.connect(host, port)
client.loop_forever()
