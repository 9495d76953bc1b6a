// The agent of MQTT.js; protocol.md says what it does.
'use strict'

const fs = require('node:fs')
const mqtt = require('mqtt')
const readline = require('node:readline')

const CONNECT = {
  expiry: 'sessionExpiryInterval',
  receive_maximum: 'receiveMaximum',
  maximum_packet: 'maximumPacketSize',
  alias_maximum: 'topicAliasMaximum'
}
const PUBLISH = {
  expiry: 'messageExpiryInterval',
  format: 'payloadFormatIndicator',
  alias: 'topicAlias',
  content_type: 'contentType',
  response_topic: 'responseTopic',
  correlation: 'correlationData'
}
const clients = new Map()

function event (what, name, fields) {
  const pairs = Object.entries(fields).flatMap(([key, value]) => {
    return (Array.isArray(value) ? value : [value]).filter((one) => one !== undefined).map((one) => `${key}=${one}`)
  })
  process.stdout.write([what, name, ...pairs].join('\t') + '\n')
}

function properties (names, fields) {
  const found = {}
  for (const [key, name] of Object.entries(names)) {
    if (!(key in fields)) continue
    const value = fields[key]
    if (key === 'format') found[name] = value === '1'
    else if (key === 'correlation') found[name] = Buffer.from(value)
    else found[name] = ['content_type', 'response_topic'].includes(key) ? value : Number(value)
  }
  if (fields.user_property) {
    found.userProperties = {}
    for (const pair of fields.user_property) {
      const [name, value] = pair.split(':')
      found.userProperties[name] = name in found.userProperties ? [found.userProperties[name], value].flat() : value
    }
  }
  return found
}

function connect (name, fields) {
  const isNew = fields.version === '5'
  const options = {
    protocolVersion: isNew ? 5 : 4,
    clientId: fields.id,
    clean: fields.clean !== '0',
    keepalive: Number(fields.keepalive ?? 60),
    reconnectPeriod: 0,
    resubscribe: false,
    username: fields.user,
    password: fields.password,
    ca: fs.readFileSync(process.env.PEERS_CA)
  }
  if (isNew) options.properties = properties(CONNECT, fields)
  if ('will_topic' in fields) {
    options.will = { topic: fields.will_topic, payload: fields.will_payload, qos: Number(fields.will_qos), retain: fields.will_retain === '1' }
    if (isNew && 'will_delay' in fields) options.will.properties = { willDelayInterval: Number(fields.will_delay) }
  }
  const client = mqtt.connect(fields.url, options)
  let refused = false
  let lost = -1
  let isConnected = false
  client.on('connect', (connack) => {
    isConnected = true
    event('connected', name, { code: 0, present: Number(connack.sessionPresent), assigned: connack.properties?.assignedClientIdentifier })
  })
  client.on('error', (error) => {
    if (!isConnected && !refused) {
      refused = true
      event('connected', name, { code: error.code, present: 0 })
    }
  })
  client.on('disconnect', (packet) => { lost = packet.reasonCode })
  client.on('close', () => { if (isConnected) event('lost', name, { code: lost }) })
  client.on('message', (topic, payload, packet) => {
    const known = packet.properties ?? {}
    const found = { topic, qos: packet.qos, retain: Number(packet.retain), payload: payload.toString() }
    for (const [key, property] of Object.entries(PUBLISH)) found[key] = known[property]
    if (found.format !== undefined) found.format = Number(found.format)
    found.identifier = known.subscriptionIdentifier
    found.user_property = Object.entries(known.userProperties ?? {}).flatMap(([key, value]) => [value].flat().map((one) => `${key}:${one}`))
    event('message', name, found)
  })
  clients.set(name, { client, isNew })
}

function command (what, name, fields) {
  if (what === 'connect') return connect(name, fields)
  const { client, isNew } = clients.get(name)
  const qos = Number(fields.qos ?? 0)
  if (what === 'subscribe') {
    const options = { qos }
    if (isNew) {
      options.nl = fields.no_local === '1'
      options.rap = fields.retain_as_published === '1'
      options.rh = Number(fields.retain_handling ?? 0)
      if ('identifier' in fields) options.properties = { subscriptionIdentifier: Number(fields.identifier) }
    }
    client.subscribe(fields.filter, options, (error, granted, packet) => {
      const codes = packet?.granted ?? error?.packet?.granted ?? [error?.code ?? 128]
      event('granted', name, { codes: codes.join(',') })
    })
  } else if (what === 'unsubscribe') {
    client.unsubscribe(fields.filter, (error, packet) => event('unsubscribed', name, { codes: packet?.granted?.join(',') ?? error?.code ?? 0 }))
  } else if (what === 'publish') {
    const options = { qos, retain: fields.retain === '1' }
    if (isNew) options.properties = properties(PUBLISH, fields)
    const settled = (error) => { if (qos > 0) event('published', name, { code: error ? error.code ?? -1 : 0 }) }
    const count = Number(fields.count ?? 1)
    for (let number = 0; number < count; number++) {
      const payload = (fields.payload ?? '') + ('count' in fields ? number : '')
      client.publish(fields.topic, payload, { ...options }, settled)
    }
  } else if (what === 'drop') {
    client.stream.destroy()
  } else {
    client.end()
  }
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [what, name, ...parts] = line.split('\t')
  const fields = {}
  for (const part of parts) {
    const at = part.indexOf('=')
    const [key, value] = [part.slice(0, at), part.slice(at + 1)]
    if (key === 'user_property') (fields[key] ??= []).push(value)
    else fields[key] = value
  }
  command(what, name, fields)
}).on('close', () => process.exit(0))
