// Lets MQTT.js talk to the server example.
//
// node mqtt_js.js features PORT: prints a line for each thing that it saw, a JSON
// object { what, expected, found }.
//
// node mqtt_js.js crashes PORT: the same; and the line "crash" when the server is
// to be killed, which is answered by a line with the port of the next one.

'use strict'

const mqtt = require('mqtt')
const readline = require('node:readline')

const PATIENCE = 60_000
const MESSAGES = 300

const [mode, first] = process.argv.slice(2)
let port = Number(first)

function check (what, expected, found) {
  console.log(JSON.stringify({ what: `MQTT.js: ${what}`, expected, found }))
}

// A client that keeps what came.
class Client {
  constructor (clientId, { will, properties = {}, ...options } = {}) {
    this.messages = []
    this.disconnects = []
    this.connects = []
    this.changed = () => {}
    this.client = mqtt.connect({
      host: '127.0.0.1',
      port,
      protocol: 'mqtt',
      protocolVersion: 5,
      clientId,
      reconnectPeriod: 0,
      resubscribe: false,
      will,
      properties: { sessionExpiryInterval: 600, ...properties },
      ...options
    })
    const keep = (list) => (...values) => {
      list.push(values)
      this.changed()
    }
    this.client.on('message', keep(this.messages))
    this.client.on('disconnect', keep(this.disconnects))
    this.client.on('connect', keep(this.connects))
    this.client.on('error', () => {})
  }

  // Waits until this is so, or too long.
  async until (condition) {
    const end = Date.now() + PATIENCE
    while (!condition() && Date.now() < end) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, end - Date.now())
        this.changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async connected (times = 1) {
    await this.until(() => this.connects.length >= times)
    return this
  }

  async take (count) {
    await this.until(() => this.messages.length >= count)
    return this.messages.splice(0)
      .map(([topic, payload, packet]) => ({ topic, payload: payload.toString(), packet }))
  }

  // Without a DISCONNECT.
  async drop () {
    const closed = new Promise((resolve) => this.client.once('close', resolve))
    this.client.stream.destroy()
    await closed
  }
}

async function features () {
  const one = await new Client('js').connected()
  const publish = (topic, payload, qos = 1, more = {}) => one.client.publishAsync(topic, payload, { qos, ...more })

  for (const qos of [0, 1, 2]) {
    await one.client.subscribeAsync(`js/${qos}`, { qos })
    for (let number = 0; number < MESSAGES; number++) {
      one.client.publish(`js/${qos}`, `${number}`, { qos })
    }
    const came = await one.take(MESSAGES)
    const good = came.every(({ payload, packet }, index) => payload === `${index}` && packet.qos === qos)
    check(`QoS ${qos}: all in order`, [MESSAGES, true], [came.length, good])
  }

  await publish('js/retained/x', 'kept', 1, { retain: true })
  for (const [rh, expected] of [[0, ['kept', 'kept']], [1, ['kept']], [2, []]]) {
    const other = await new Client(`js-${rh}`).connected()
    const options = { qos: 1, rh, properties: { subscriptionIdentifier: 5 } }
    await other.client.subscribeAsync('js/retained/+', options)
    await other.client.subscribeAsync('js/retained/+', options)
    await publish('js/retained/fence', 'fence')
    const came = await other.take(expected.length + 1)
    check(`Retain Handling ${rh}`, [...expected, 'fence'], came.map(({ payload }) => payload))
    check(`Retain Handling ${rh}: RETAIN`, expected.map(() => true), came.slice(0, -1).map(({ packet }) => packet.retain))
    const found = came.map(({ packet }) => packet.properties?.subscriptionIdentifier)
    check('Subscription Identifier', Array(expected.length + 1).fill(5), found)
    await other.client.endAsync()
  }

  const members = [await new Client('js-member-1').connected(), await new Client('js-member-2').connected()]
  for (const { client } of members) {
    await client.subscribeAsync('$share/js/js/shared', { qos: 1 })
  }
  for (let number = 0; number < MESSAGES; number++) {
    await publish('js/shared', `${number}`)
  }
  await members[0].until(() => members[0].messages.length + members[1].messages.length >= MESSAGES)
  const shares = await Promise.all(members.map((member) => member.take(0)))
  const all = shares.flat().map(({ payload }) => Number(payload)).sort((a, b) => a - b)
  check('shared: each once', [...Array(MESSAGES).keys()], all)
  check('shared: each member has some', true, shares.every((share) => share.length > 0))
  for (const { client } of members) {
    await client.endAsync()
  }

  // Will, with a delay: published, and not if the client is back before.
  await one.client.subscribeAsync('js/will/#', { qos: 1 })
  const mortal = (name) => new Client(name, {
    clean: false,
    will: { topic: `js/will/${name}`, payload: `will of ${name}`, qos: 1, retain: false, properties: { willDelayInterval: 1 } }
  })
  const returns = await mortal('returns').connected()
  const dies = await mortal('dies').connected()
  await returns.drop()
  returns.client.reconnect()
  await returns.connected(2)
  await dies.drop()
  check('Will Delay Interval', ['will of dies'], (await one.take(1)).map(({ payload }) => payload))
  await returns.client.endAsync()

  // Both sides use aliases: the server those that the client sets, and the other way round.
  const aliased = await new Client('js-aliased', {
    autoAssignTopicAlias: true,
    properties: { topicAliasMaximum: 2 }
  }).connected()
  await aliased.client.subscribeAsync('js/alias/#', { qos: 1 })
  const topics = ['a', 'b', 'c', 'a', 'b', 'c', 'c', 'c'].map((name) => `js/alias/${name}`)
  for (const topic of topics) {
    await aliased.client.publishAsync(topic, topic, { qos: 1 })
  }
  const came = await aliased.take(topics.length)
  check('Topic Alias: topics', topics, came.map(({ topic }) => topic))
  check('Topic Alias: payloads', topics, came.map(({ payload }) => payload))
  const used = came.map(({ packet }) => packet.properties?.topicAlias)
  check('Topic Alias: never above the Topic Alias Maximum', [true, true], [used.some(Boolean), used.every((alias) => !(alias > 2))])
  await aliased.client.endAsync()

  // Away and back.
  const away = await new Client('js-away', { clean: false }).connected()
  await away.client.subscribeAsync('js/away', { qos: 2 })
  await away.drop()
  const words = ['soon', 'late', 'for ever']
  await publish('js/away', words[0], 2, { properties: { messageExpiryInterval: 1 } })
  await publish('js/away', words[1], 2, { properties: { messageExpiryInterval: 1000 } })
  await publish('js/away', words[2], 2)
  await new Promise((resolve) => setTimeout(resolve, 2_100))
  away.client.reconnect()
  await away.connected(2)
  const back = await away.take(2)
  check('the Session is resumed', [false, true], away.connects.map(([connack]) => connack.sessionPresent))
  check('Message Expiry Interval: what is late does not come', words.slice(1), back.map(({ payload }) => payload))
  const left = back[0]?.packet.properties?.messageExpiryInterval
  check('Message Expiry Interval: what is left of it', true, left > 900 && left <= 998)

  const other = await new Client('js-away', { clean: false }).connected()
  await away.until(() => away.disconnects.length > 0)
  check('takeover: DISCONNECT 0x8E', [0x8E], away.disconnects.map(([packet]) => packet.reasonCode))
  check('takeover: the Session goes on', [true], other.connects.map(([connack]) => connack.sessionPresent))
  await other.client.endAsync()
  await one.client.endAsync()
}

async function crashes () {
  const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  for (const qos of [1, 2]) {
    // It reconnects by itself: its method `reconnect` forgets what is on its way.
    const one = await new Client(`js-survivor-${qos}`, { clean: false, reconnectPeriod: 20 }).connected()
    await one.client.subscribeAsync('js/way', { qos })
    let confirmed = 0
    for (let number = 0; number < MESSAGES; number++) {
      one.client.publish('js/way', `${number}`, { qos }, (error) => {
        // 0x92: the PUBREL had come before the crash, and the PUBCOMP was lost.
        confirmed += !error || error.code === 0x92
        one.changed()
      })
      if (number % 60 === 30) {
        // Some of them are on their way.
        await one.until(() => one.messages.length > number - 20)
        const connects = one.connects.length
        console.log('crash')
        port = Number((await answers.next()).value)
        one.client.options.port = port
        await one.connected(connects + 1)
      }
    }
    await one.until(() => confirmed >= MESSAGES && new Set(one.messages.map(([, payload]) => payload.toString())).size >= MESSAGES)
    await one.client.publishAsync('js/way', 'fence', { qos })
    await one.until(() => one.messages.some(([, payload]) => payload.toString() === 'fence'))
    const came = (await one.take(0)).map(({ payload }) => payload).filter((payload) => payload !== 'fence')
    const different = new Set(came).size
    const name = `killed five times, QoS ${qos}`
    check(`${name}: the Session went on`, [false, true, true, true, true, true], one.connects.map(([connack]) => connack.sessionPresent))
    check(`${name}: different messages, confirmed`, [MESSAGES, MESSAGES], [different, confirmed])
    if (qos === 2) {
      check(`${name}: doubled`, 0, came.length - different)
    }
    await one.client.endAsync()
  }
}

const run = { features, crashes }[mode]
run().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
