// The agent of the Eclipse Paho C client (MQTTAsync). protocol.md says what it does.
//
// It has one client. The library cannot cut a connection without a DISCONNECT, so peers.py kills the process instead.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <MQTTAsync.h>

#define PARTS 40

static char *parts[PARTS];
static int count;
static char name[100];
static MQTTAsync client;
static int is_new;
// What the callbacks of CONNECT use after the command line is gone.
static char *kept[PARTS];

static char *get(const char *key)
{
	size_t length = strlen(key);
	for (int i = 2; i < count; i++)
		if (strncmp(parts[i], key, length) == 0 && parts[i][length] == '=')
			return parts[i] + length + 1;
	return NULL;
}

static int number(const char *key, int otherwise)
{
	char *value = get(key);
	return value ? atoi(value) : otherwise;
}

// Also in MQTTAsync_message, hence the names.
static const struct { const char *key; int id; int size; } PROPERTIES[] = {
	{ "format", MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR, 1 },
	{ "expiry", MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, 4 },
	{ "content_type", MQTTPROPERTY_CODE_CONTENT_TYPE, 0 },
	{ "response_topic", MQTTPROPERTY_CODE_RESPONSE_TOPIC, 0 },
	{ "correlation", MQTTPROPERTY_CODE_CORRELATION_DATA, 0 },
	{ "alias", MQTTPROPERTY_CODE_TOPIC_ALIAS, 2 },
	{ "identifier", MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER, 4 },
	{ "user_property", MQTTPROPERTY_CODE_USER_PROPERTY, -1 },
};
static const struct { const char *key; int id; int size; } CONNECT[] = {
	{ "expiry", MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, 4 },
	{ "receive_maximum", MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, 2 },
	{ "maximum_packet", MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, 4 },
	{ "alias_maximum", MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM, 2 },
};

static void add(MQTTProperties *to, int id, int size, char *value)
{
	MQTTProperty one = { .identifier = id };
	char *colon = strchr(value, ':');
	switch (size) {
	case 1: one.value.byte = atoi(value); break;
	case 2: one.value.integer2 = atoi(value); break;
	case 4: one.value.integer4 = strtoul(value, NULL, 10); break;
	case 0: one.value.data = (MQTTLenString){ strlen(value), value }; break;
	default:
		one.value.data = (MQTTLenString){ colon - value, value };
		one.value.value = (MQTTLenString){ strlen(colon + 1), colon + 1 };
	}
	MQTTProperties_add(to, &one);
}

static void print_properties(MQTTProperties *from)
{
	for (int i = 0; i < from->count; i++) {
		MQTTProperty *it = from->array + i;
		for (size_t known = 0; known < sizeof PROPERTIES / sizeof *PROPERTIES; known++) {
			if (PROPERTIES[known].id != (int)it->identifier)
				continue;
			printf("\t%s=", PROPERTIES[known].key);
			switch (PROPERTIES[known].size) {
			case 1: printf("%d", it->value.byte); break;
			case 2: printf("%d", it->value.integer2); break;
			case 4: printf("%u", it->value.integer4); break;
			case 0: printf("%.*s", it->value.data.len, it->value.data.data); break;
			default:
				printf("%.*s:%.*s", it->value.data.len, it->value.data.data, it->value.value.len, it->value.value.data);
			}
		}
	}
}

static void connected(int code, int present, MQTTProperties *properties)
{
	MQTTProperty *assigned = NULL;
	if (properties)
		assigned = MQTTProperties_getProperty(properties, MQTTPROPERTY_CODE_ASSIGNED_CLIENT_IDENTIFER);
	printf("connected\t%s\tcode=%d\tpresent=%d", name, code, present);
	if (assigned)
		printf("\tassigned=%.*s", assigned->value.data.len, assigned->value.data.data);
	printf("\n");
}

static void on_connect(void *context, MQTTAsync_successData *it) { connected(0, it->alt.connect.sessionPresent, NULL); }
static void on_connect5(void *context, MQTTAsync_successData5 *it) { connected(it->reasonCode, it->alt.connect.sessionPresent, &it->properties); }
static void not_connected(void *context, MQTTAsync_failureData *it)
{
	if (it->code < 0)
		fprintf(stderr, "MQTTAsync_connect: %d, %s\n", it->code, it->message ? it->message : "");
	connected(it->code, 0, NULL);
}
static void not_connected5(void *context, MQTTAsync_failureData5 *it)
{
	if (it->code < 0)
		fprintf(stderr, "MQTTAsync_connect: %d, %s\n", it->code, it->message ? it->message : "");
	// 1.3.12 has the Reason Code of the CONNACK in the wrong field.
	connected(it->reasonCode ? it->reasonCode : it->code, 0, NULL);
}

static void granted(void *context, MQTTAsync_successData *it) { printf("granted\t%s\tcodes=%d\n", name, it->alt.qos); }
static void granted5(void *context, MQTTAsync_successData5 *it) { printf("granted\t%s\tcodes=%d\n", name, it->reasonCode); }
static void refused(void *context, MQTTAsync_failureData *it) { printf("granted\t%s\tcodes=%d\n", name, it->code); }
static void refused5(void *context, MQTTAsync_failureData5 *it) { printf("granted\t%s\tcodes=%d\n", name, it->reasonCode); }
static void unsubscribed(void *context, MQTTAsync_successData *it) { printf("unsubscribed\t%s\tcodes=0\n", name); }
static void unsubscribed5(void *context, MQTTAsync_successData5 *it) { printf("unsubscribed\t%s\tcodes=%d\n", name, it->reasonCode); }

// Of QoS 0, success means no more than that it was written.
static void published(void *context, MQTTAsync_successData *it)
{
	if (it->alt.pub.message.qos > 0)
		printf("published\t%s\tcode=0\n", name);
}
static void published5(void *context, MQTTAsync_successData5 *it)
{
	if (it->alt.pub.message.qos > 0)
		printf("published\t%s\tcode=%d\n", name, it->reasonCode);
}
static void rejected(void *context, MQTTAsync_failureData *it) { printf("published\t%s\tcode=%d\n", name, it->code); }
static void rejected5(void *context, MQTTAsync_failureData5 *it) { printf("published\t%s\tcode=%d\n", name, it->reasonCode); }

static void lost(void *context, char *cause) { printf("lost\t%s\tcode=-1\n", name); }
static void ended(void *context, MQTTProperties *properties, enum MQTTReasonCodes code) { printf("lost\t%s\tcode=%d\n", name, code); }

static int came(void *context, char *topic, int length, MQTTAsync_message *message)
{
	flockfile(stdout);
	printf("message\t%s\ttopic=%s\tqos=%d\tretain=%d\tpayload=%.*s", name, topic, message->qos, message->retained, message->payloadlen, (char *)message->payload);
	print_properties(&message->properties);
	printf("\n");
	funlockfile(stdout);
	MQTTAsync_freeMessage(&message);
	MQTTAsync_free(topic);
	return 1;
}

static void start(void)
{
	snprintf(name, sizeof name, "%s", parts[1]);
	// It keeps pointers into the command.
	for (int i = 0; i < count; i++)
		parts[i] = kept[i] = strdup(parts[i]);
	char *url = get("url");
	int is_websocket = strncmp(url, "ws", 2) == 0;
	is_new = strcmp(get("version"), "5") == 0;
	MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
	create.MQTTVersion = is_new ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	create.sendWhileDisconnected = 1;
	create.maxBufferedMessages = 10000;
	if (MQTTAsync_createWithOptions(&client, url, get("id"), MQTTCLIENT_PERSISTENCE_NONE, NULL, &create)) {
		printf("error\t%s\twhat=create\n", name);
		return;
	}
	MQTTAsync_setCallbacks(client, NULL, lost, came, NULL);
	MQTTAsync_setDisconnected(client, NULL, ended);

	MQTTAsync_connectOptions old = MQTTAsync_connectOptions_initializer, new = MQTTAsync_connectOptions_initializer5;
	MQTTAsync_connectOptions old_ws = MQTTAsync_connectOptions_initializer_ws, new_ws = MQTTAsync_connectOptions_initializer5_ws;
	MQTTAsync_connectOptions options = is_websocket ? is_new ? new_ws : old_ws : is_new ? new : old;
	static MQTTProperties properties = MQTTProperties_initializer, of_will = MQTTProperties_initializer;
	int clean = number("clean", 1);
	options.keepAliveInterval = number("keepalive", 60);
	options.maxInflight = 50;
	options.username = get("user");
	options.password = get("password");
	if (is_new) {
		for (size_t known = 0; known < sizeof CONNECT / sizeof *CONNECT; known++)
			if (get(CONNECT[known].key))
				add(&properties, CONNECT[known].id, CONNECT[known].size, get(CONNECT[known].key));
		options.cleanstart = clean;
		options.connectProperties = &properties;
		options.onSuccess5 = on_connect5;
		options.onFailure5 = not_connected5;
	} else {
		options.cleansession = clean;
		// Without it, the library also tries MQTT 3.1.
		options.MQTTVersion = MQTTVERSION_3_1_1;
		options.onSuccess = on_connect;
		options.onFailure = not_connected;
	}
	MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
	if (get("will_topic")) {
		will.topicName = get("will_topic");
		will.message = get("will_payload");
		will.qos = number("will_qos", 0);
		will.retained = number("will_retain", 0);
		options.will = &will;
		if (is_new && get("will_delay")) {
			add(&of_will, MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL, 4, get("will_delay"));
			options.willProperties = &of_will;
		}
	}
	MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
	ssl.trustStore = getenv("PEERS_CA");
	ssl.verify = 1;
	if (strncmp(url, "mqtts", 5) == 0 || strncmp(url, "wss", 3) == 0)
		options.ssl = &ssl;
	int code = MQTTAsync_connect(client, &options);
	if (code)
		printf("error\t%s\twhat=connect %d\n", name, code);
}

static void subscribe(void)
{
	MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
	if (is_new) {
		options.onSuccess5 = granted5;
		options.onFailure5 = refused5;
		options.subscribeOptions.noLocal = number("no_local", 0);
		options.subscribeOptions.retainAsPublished = number("retain_as_published", 0);
		options.subscribeOptions.retainHandling = number("retain_handling", 0);
		if (get("identifier"))
			add(&options.properties, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER, 4, get("identifier"));
	} else {
		options.onSuccess = granted;
		options.onFailure = refused;
	}
	MQTTAsync_subscribe(client, get("filter"), number("qos", 0), &options);
	MQTTProperties_free(&options.properties);
}

static void unsubscribe(void)
{
	MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
	if (is_new)
		options.onSuccess5 = unsubscribed5;
	else
		options.onSuccess = unsubscribed;
	MQTTAsync_unsubscribe(client, get("filter"), &options);
}

static void publish(void)
{
	int times = number("count", 0);
	for (int i = 0; i < (times ? times : 1); i++) {
		char payload[10000];
		if (times)
			snprintf(payload, sizeof payload, "%s%d", get("payload"), i);
		else
			snprintf(payload, sizeof payload, "%s", get("payload"));
		MQTTAsync_message message = MQTTAsync_message_initializer;
		message.payload = payload;
		message.payloadlen = strlen(payload);
		message.qos = number("qos", 0);
		message.retained = number("retain", 0);
		MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
		if (is_new) {
			for (int part = 2; part < count; part++)
				for (size_t known = 0; known < sizeof PROPERTIES / sizeof *PROPERTIES; known++) {
					size_t length = strlen(PROPERTIES[known].key);
					if (strncmp(parts[part], PROPERTIES[known].key, length) == 0 && parts[part][length] == '=')
						add(&message.properties, PROPERTIES[known].id, PROPERTIES[known].size, parts[part] + length + 1);
				}
			options.onSuccess5 = published5;
			options.onFailure5 = rejected5;
		} else {
			options.onSuccess = published;
			options.onFailure = rejected;
		}
		int code = MQTTAsync_sendMessage(client, get("topic"), &message, &options);
		if (code)
			printf("error\t%s\twhat=publish %d\n", name, code);
		MQTTProperties_free(&message.properties);
	}
}

int main(void)
{
	static char line[20000];
	setvbuf(stdout, NULL, _IOLBF, 0);
	MQTTAsync_init_options init = MQTTAsync_init_options_initializer;
	init.do_openssl_init = 1;
	MQTTAsync_global_init(&init);
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		count = 0;
		for (char *rest = line, *part; count < PARTS && (part = strsep(&rest, "\t"));)
			parts[count++] = part;
		if (strcmp(parts[0], "connect") == 0)
			start();
		else if (strcmp(parts[0], "subscribe") == 0)
			subscribe();
		else if (strcmp(parts[0], "unsubscribe") == 0)
			unsubscribe();
		else if (strcmp(parts[0], "publish") == 0)
			publish();
		else {
			MQTTAsync_disconnectOptions old = MQTTAsync_disconnectOptions_initializer, new = MQTTAsync_disconnectOptions_initializer5;
			MQTTAsync_disconnect(client, is_new ? &new : &old);
		}
	}
	return 0;
}
