#!/bin/sh
# Prints every event of a Hydrant with mosquitto_sub (Debian: mosquitto-clients).
#
#     sh mosquitto_sub.sh [HOST [PORT [CAFILE]]]
#
# With a CAFILE (the certificate authority to trust, PEM) it speaks TLS, usually on port 8883.
host=${1:-127.0.0.1}
port=${2:-1883}
if [ -n "$3" ]; then
  exec mosquitto_sub -h "$host" -p "$port" --cafile "$3" --topic '#' -v
fi
exec mosquitto_sub -h "$host" -p "$port" --topic '#' -v
