import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import type { KafkaCluster, KafkaLogin, KafkaTls } from '../../../connectors/kafka/settings.ts';
import type { KafkaFeed } from '../../../src/catalog/part/kafka-feed.ts';
import { freePort } from '../../../src/embedded/port.ts';
import { poll } from '../poll.ts';
import type { TestDatabase } from '../postgres.ts';
import { classPath, Jvm } from './jvm.ts';
import { READER_IDENTITY } from './reader-identity.ts';

/** Of the broker's store of keys, and of `reader`, who may log in. */
export const PASSWORD = 'a-secret-of-tests';

const EXAMPLE = join(import.meta.dirname, '../../../connectors/kafka/debezium/pg2.json');

interface BrokerPorts {
  readonly plain: number;
  readonly secure: number;
  readonly certified: number;
  readonly controller: number;
}

type Properties = Readonly<Record<string, string | number | boolean>>;

/** A broker of one node, and Debezium connectors that write to it. */
export class KafkaEstate {
  readonly #directory: string;
  readonly #classPath: string;
  readonly #port: number;
  readonly #securePort: number;
  readonly #certifiedPort: number;
  #broker: Jvm | null = null;
  readonly #connectors: Debezium[] = [];

  private constructor(directory: string, jars: string, ports: BrokerPorts) {
    this.#directory = directory;
    this.#classPath = jars;
    this.#port = ports.plain;
    this.#securePort = ports.secure;
    this.#certifiedPort = ports.certified;
  }

  static async open(): Promise<KafkaEstate> {
    const directory = await mkdtemp(join(tmpdir(), 'nearjoin-kafka-'));
    const jars = await classPath(directory);
    // Together, so that none of them is free again when the next is looked for.
    const [plain, secure, certified, controller] = await Promise.all([
      freePort(),
      freePort(),
      freePort(),
      freePort(),
    ]);
    const ports = { plain, secure, certified, controller };
    const estate = new KafkaEstate(directory, jars, ports);
    await makeCertificate(directory);
    await writeFile(estate.#file('readers.pem'), READER_IDENTITY.cert);
    await writeFile(estate.#file('broker.properties'), properties(brokerSettings(directory, ports)));
    const format = ['kafka.tools.StorageTool', 'format', '-t', 'nearjoinnearjoinnearjo', '-c'];
    const logins = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => {
      return ['--add-scram', `${mechanism}=[name=reader,password=${PASSWORD}]`];
    });
    const code = await estate.#jvm([...format, estate.#file('broker.properties'), ...logins]).done();
    if (code !== 0) throw new Error(`the broker's storage was not made: ${await estate.said()}`);
    await estate.startBroker();
    return estate;
  }

  /** Without TLS, for whoever comes. */
  get cluster(): KafkaCluster {
    return { brokers: [`127.0.0.1:${this.#port}`], tls: null, login: null };
  }

  /** With TLS, for who logs in. */
  async secureCluster(login: Omit<KafkaLogin, 'username'>): Promise<KafkaCluster> {
    return {
      brokers: [`127.0.0.1:${this.#securePort}`],
      tls: { ca: await readFile(this.#file('ca.pem'), 'utf8'), identity: null },
      login: { ...login, username: 'reader' },
    };
  }

  /** With TLS, for who shows a certificate that the broker trusts. */
  async certifiedCluster(identity: KafkaTls['identity'] = READER_IDENTITY): Promise<KafkaCluster> {
    return {
      brokers: [`127.0.0.1:${this.#certifiedPort}`],
      tls: { ca: await readFile(this.#file('ca.pem'), 'utf8'), identity },
      login: null,
    };
  }

  async startBroker(): Promise<void> {
    const start = (): Jvm => {
      this.#broker = this.#jvm(['kafka.Kafka', this.#file('broker.properties')]);
      return this.#broker;
    };
    let broker = start();
    const admin = this.#kafka().admin();
    await poll('the broker to answer', async () => {
      if (!broker.isRunning) {
        const said = await this.said();
        // While it is down its port may be given to a connection of somebody else, until that ends.
        if (!said.includes('Address already in use')) throw new Error(`the broker ended: ${said}`);
        broker = start();
      }
      return admin.connect().then(
        () => true,
        () => false,
      );
    });
    await admin.disconnect();
  }

  async stopBroker(): Promise<void> {
    await this.#broker?.stop('SIGKILL');
    this.#broker = null;
  }

  /** Starts a connector on the database, and waits until it streams. */
  async debezium(database: TestDatabase, more: Properties = {}): Promise<Debezium> {
    const connector = new Debezium(
      {
        directory: this.#directory,
        broker: this.#port,
        start: (args) => this.#jvm(args),
        said: () => this.said(),
      },
      database,
      more,
    );
    this.#connectors.push(connector);
    await connector.start();
    return connector;
  }

  /** Does something as an administrator of the brokers. */
  async administer<T>(work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
    const admin = this.#kafka().admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  /** Writes a message as whoever may do so, to the first partition of a topic. */
  async produce(topic: string, value: string): Promise<void> {
    const producer = this.#kafka().producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.send({ topic, messages: [{ partition: 0, value }] });
    await producer.disconnect();
  }

  /** So many messages were written to a topic. */
  async messages(topic: string): Promise<bigint> {
    const ends = await this.administer((admin) => admin.fetchTopicOffsets(topic));
    return ends.reduce((sum, { high }) => sum + BigInt(high), 0n);
  }

  /** The end of what the Java programs wrote. */
  async said(): Promise<string> {
    return (await readFile(this.#file('log'), 'utf8').catch(() => '')).slice(-4_000);
  }

  async stopConnectors(): Promise<void> {
    await Promise.all(this.#connectors.splice(0).map((each) => each.stop('SIGKILL')));
  }

  async close(): Promise<void> {
    await this.stopConnectors();
    await this.stopBroker();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #kafka(): Kafka {
    const retry = { retries: 1, initialRetryTime: 100 };
    return new Kafka({ brokers: [...this.cluster.brokers], retry, logLevel: logLevel.NOTHING });
  }

  #jvm(args: readonly string[]): Jvm {
    return new Jvm({ classPath: this.#classPath, log: this.#file('log') }, args);
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }
}

interface Surroundings {
  readonly directory: string;
  readonly broker: number;
  readonly start: (args: readonly string[]) => Jvm;
  readonly said: () => Promise<string>;
}

/** One Debezium connector in a Connect of its own. */
export class Debezium {
  readonly #in: Surroundings;
  readonly #database: TestDatabase;
  readonly #settings: Properties;
  #jvm: Jvm | null = null;

  constructor(surroundings: Surroundings, database: TestDatabase, more: Properties) {
    this.#in = surroundings;
    this.#database = database;
    this.#settings = more;
  }

  /** What metadata has to say of it. */
  get feed(): KafkaFeed {
    const { name } = this.#database;
    const placeholder = '__debezium_unavailable_value';
    return { topicPrefix: name, slot: `dbz_${name}`, publication: `dbz_${name}`, placeholder };
  }

  async start(): Promise<void> {
    const { directory, broker, start, said } = this.#in;
    const { name } = this.#database;
    const files = ['worker', 'connector'].map((each) => join(directory, `${name}-${each}.properties`));
    const worker = workerSettings(broker, join(directory, `${name}.offsets`));
    const { hostname, port, username, password } = new URL(this.#database.url);
    const connection = {
      'database.hostname': hostname,
      'database.port': port,
      'database.user': decodeURIComponent(username),
      'database.password': decodeURIComponent(password),
      'database.dbname': name,
    };
    const { slot, publication, topicPrefix } = this.feed;
    const names = { name, 'topic.prefix': topicPrefix, 'slot.name': slot, 'publication.name': publication };
    const all = {
      ...(await shownSettings()),
      ...transactionTopic(topicPrefix),
      ...connection,
      ...names,
      ...this.#settings,
    };
    await writeFile(files[0] ?? '', properties(worker));
    await writeFile(files[1] ?? '', properties(all));
    const jvm = start(['org.apache.kafka.connect.cli.ConnectStandalone', ...files]);
    this.#jvm = jvm;
    const active = 'select from pg_replication_slots where slot_name = $1 and active';
    await poll('Debezium to stream', async () => {
      if (!jvm.isRunning) throw new Error(`Connect ended: ${await said()}`);
      return (await this.#database.query(active, [slot])).rows.length > 0;
    });
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const jvm = this.#jvm;
    this.#jvm = null;
    await jvm?.stop(signal);
  }

  /** Forgets how far it was: with the slot dropped too it begins anew. */
  async forget(): Promise<void> {
    await rm(join(this.#in.directory, `${this.#database.name}.offsets`), { force: true });
  }
}

/** The settings that administrators are shown. */
async function shownSettings(): Promise<Properties> {
  return JSON.parse(await readFile(EXAMPLE, 'utf8')) as Properties;
}

function transactionTopic(prefix: string): Properties {
  return { 'topic.creation.transaction.include': `${prefix}\\.transaction` };
}

function workerSettings(broker: number, offsets: string): Properties {
  return {
    'bootstrap.servers': `127.0.0.1:${broker}`,
    'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'offset.storage.file.filename': offsets,
    'offset.flush.interval.ms': 500,
    listeners: 'http://127.0.0.1:0',
    'plugin.discovery': 'service_load',
  };
}

function brokerSettings(directory: string, ports: BrokerPorts): Properties {
  const module = 'org.apache.kafka.common.security';
  const at = (port: number): string => `://127.0.0.1:${port}`;
  const open = `PLAINTEXT${at(ports.plain)},SECURE${at(ports.secure)},CERTIFIED${at(ports.certified)}`;
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    listeners: `${open},CONTROLLER${at(ports.controller)}`,
    'advertised.listeners': open,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map':
      'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CERTIFIED:SSL',
    'listener.name.certified.ssl.client.auth': 'required',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': join(directory, 'readers.pem'),
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.secure.plain.sasl.jaas.config': `${module}.plain.PlainLoginModule required user_reader="${PASSWORD}";`,
    'listener.name.secure.scram-sha-256.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
    'listener.name.secure.scram-sha-512.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': join(directory, 'broker.p12'),
    'ssl.keystore.password': PASSWORD,
    // Everybody may do everything to what no rule is about, and who comes without a name, to all.
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': true,
    'super.users': 'User:ANONYMOUS',
    'log.dirs': join(directory, 'broker'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
  };
}

/** A certificate of the broker's own making, and the same for who is to trust it. */
async function makeCertificate(directory: string): Promise<void> {
  const store = ['-keystore', join(directory, 'broker.p12'), '-storepass', PASSWORD, '-alias', 'broker'];
  const keytool = (...args: readonly string[]): Promise<unknown> =>
    promisify(execFile)('keytool', [...args, ...store]);
  const subject = ['-dname', 'CN=broker', '-ext', 'san=ip:127.0.0.1', '-ext', 'bc:c'];
  await keytool('-genkeypair', '-keyalg', 'EC', '-storetype', 'PKCS12', '-validity', '3', ...subject);
  await keytool('-exportcert', '-rfc', '-file', join(directory, 'ca.pem'));
}

/** Java's format: a backslash escapes. */
function properties(settings: Properties): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}\n`)
    .join('');
}
