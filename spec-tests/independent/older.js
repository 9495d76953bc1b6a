// MQTT.js with MQTT 3.1.1: messages at QoS 2, a Session that is resumed. Prints what it found.
'use strict';

const mqtt = require('mqtt');

const [port, messages] = process.argv.slice(2).map(Number);
const options = { protocolVersion: 4, clean: false, clientId: 'older-js', reconnectPeriod: 0, port };
const found = { granted: [], received: 0, inOrder: true, sessionPresent: [], whileAway: 0 };

function connected(client) {
  return new Promise((resolve, reject) => {
    client.on('error', reject);
    client.on('connect', (connack) => {
      found.sessionPresent.push(connack.sessionPresent);
      resolve();
    });
  });
}

async function run() {
  const first = mqtt.connect(options);
  const all = new Promise((resolve) => {
    first.on('message', (topic, payload) => {
      found.inOrder &&= payload.toString() === `message ${found.received}`;
      found.received += 1;
      if (found.received === messages) resolve();
    });
  });
  await connected(first);
  const grants = await first.subscribeAsync('older-js', { qos: 2 });
  found.granted = grants.map((grant) => grant.qos);
  for (let number = 0; number < messages; number += 1) {
    first.publish('older-js', `message ${number}`, { qos: 2 });
  }
  await all;
  await first.endAsync();

  const other = mqtt.connect({ ...options, clientId: 'older-js-other', clean: true });
  await new Promise((resolve) => other.on('connect', resolve));
  for (let number = 0; number < 3; number += 1) await other.publishAsync('older-js', 'away', { qos: 1 });
  await other.endAsync();

  const second = mqtt.connect(options);
  const rest = new Promise((resolve) => {
    second.on('message', () => {
      found.whileAway += 1;
      if (found.whileAway === 3) resolve();
    });
  });
  await connected(second);
  await rest;
  await second.endAsync();
  console.log(JSON.stringify(found));
}

run().catch((error) => {
  console.error(error);
  process.exit(1);
});
