#!/bin/sh
# Records session.pcapng: real MQTT 5.0 clients talking to a real broker over
# the loopback interface.
#
# Needs, and installs none of them:
#   mosquitto         the broker and mosquitto_passwd (Debian: mosquitto)
#   dumpcap, editcap  the recorder                    (Debian: tshark)
#   python3 with paho-mqtt 2.x                        (PyPI: paho-mqtt)
# and the right to capture on the loopback interface (root, or membership of
# the group which Debian's wireshark-common package sets up).
#
# Usage: ./record.sh [OUTPUT]     PYTHON=... chooses the interpreter.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
output=${1:-$here/session.pcapng}
python=${PYTHON:-python3}

# Debian keeps the broker outside an ordinary user's search path.
PATH=$PATH:/usr/sbin
for tool in mosquitto mosquitto_passwd dumpcap editcap "$python"; do
    command -v "$tool" >/dev/null || { echo "record.sh: $tool is missing" >&2; exit 1; }
done
"$python" -c 'import paho.mqtt.client' || { echo "record.sh: paho-mqtt is missing" >&2; exit 1; }

scratch=$(mktemp -d)
broker=
recorder=
clean_up() {
    [ -z "$recorder" ] || kill -INT "$recorder" 2>/dev/null || true
    [ -z "$broker" ] || kill "$broker" 2>/dev/null || true
    wait
    rm -rf "$scratch"
}
trap clean_up EXIT

wait_for() { # wait_for FILE TEXT
    tries=0
    until grep -q "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            echo "record.sh: no '$2' in $1:" >&2
            cat "$1" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# 1883 lets other tools recognise the recording as MQTT; any free port will do.
port=$("$python" "$here/record.py" free-port)

mosquitto_passwd -c -b "$scratch/passwords" thermometer "warm and dry"
mosquitto_passwd -b "$scratch/passwords" dashboard "all the lights"

cat >"$scratch/access" <<END
user thermometer
topic write house/#
topic write status/thermometer

user dashboard
topic readwrite house/#
topic read status/#
END

cat >"$scratch/broker.conf" <<END
user $(id -un)
per_listener_settings false
allow_anonymous false
password_file $scratch/passwords
acl_file $scratch/access
persistence false
max_keepalive 30
max_inflight_messages 16
max_packet_size 65536
log_dest stderr
log_type all
listener $port 127.0.0.1
listener $port ::1
END

mosquitto -c "$scratch/broker.conf" >"$scratch/broker.log" 2>&1 &
broker=$!
wait_for "$scratch/broker.log" running

dumpcap -q -P -i lo -f "tcp port $port" -w "$scratch/session.pcap" 2>"$scratch/recorder.log" &
recorder=$!
wait_for "$scratch/recorder.log" File:

"$python" "$here/record.py" talk "$port"

# The kernel hands captured packets over in batches.
sleep 1
kill -INT "$recorder"
wait "$recorder" || true
recorder=

# Going through the plain format leaves out the names of the recording
# machine's processor and kernel, which dumpcap writes into a pcapng file.
editcap -F pcapng "$scratch/session.pcap" "$output"
echo "recorded $output"
