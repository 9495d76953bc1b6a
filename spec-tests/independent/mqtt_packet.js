// Asks mqtt-packet about byte strings.
//
// Standard input: a JSON array of { name, hex }. Standard output: a JSON array
// of { name, packets, waits, error }: what it decoded, whether it waits for the
// rest of a packet, and why it gave up, if it did.

'use strict'

const { readFileSync } = require('node:fs')
const mqtt = require('mqtt-packet')
const constants = require('mqtt-packet/constants')

// User properties come as an object of values or lists of values, by name.
function identifiers (properties = {}) {
  const found = []
  for (const [name, value] of Object.entries(properties)) {
    const values = name === 'userProperties' ? Object.values(value) : [value]
    found.push(...values.flat().map(() => constants.properties[name]))
  }
  return found
}

function summary (packet) {
  return {
    type: packet.cmd,
    topics: packet.unsubscriptions ??
      packet.subscriptions?.map(({ topic }) => topic) ??
      (packet.topic === undefined || packet.topic === null ? [] : [packet.topic]),
    packetId: packet.messageId ?? null,
    reasonCodes: packet.granted ?? (packet.reasonCode === undefined ? [] : [packet.reasonCode]),
    properties: [...identifiers(packet.properties), ...identifiers(packet.will?.properties)].sort((a, b) => a - b)
  }
}

function ask ({ name, hex }) {
  const answer = { name, packets: [], waits: false, error: null }
  const parser = mqtt.parser({ protocolVersion: 5 })
  parser.on('packet', packet => answer.packets.push(summary(packet)))
  parser.on('error', error => { answer.error ??= error.message })
  try {
    const left = parser.parse(Buffer.from(hex, 'hex'))
    // It counts the first byte of a packet as used when it has looked at it.
    answer.waits = left > 0 || parser._stateCounter !== 0
  } catch (error) {
    answer.error ??= `threw ${error.name}: ${error.message}`
  }
  return answer
}

const questions = JSON.parse(readFileSync(0, 'utf8'))
process.stdout.write(JSON.stringify(questions.map(ask)))
