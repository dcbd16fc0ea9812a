// PostGraphile 5 over one database, with lists instead of connections, filters and the ordering that the workloads need.

Promise.withResolvers ??= function withResolvers() {
  let resolve;
  let reject;
  const promise = new this((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};

const [
  { createServer },
  { postgraphile },
  { grafserv },
  { makePgService },
  { PostGraphileAmberPreset },
  { PostGraphileConnectionFilterPreset },
  { addPgTableOrderBy, orderByAscDesc },
  { sql },
] = await Promise.all([
  import('node:http'),
  import('postgraphile'),
  import('postgraphile/grafserv/node'),
  import('postgraphile/adaptors/pg'),
  import('postgraphile/presets/amber'),
  import('postgraphile-plugin-connection-filter'),
  import('postgraphile/utils'),
  import('postgraphile/pg-sql2'),
]);

/** Orders by the name of their user: PostGraphile orders by a table's own columns only. */
const byUserName = addPgTableOrderBy({ schemaName: 'public', tableName: 'orders' }, ({ pgResources }) =>
  orderByAscDesc('USER_NAME', (orders) => {
    const users = pgResources.users;
    const alias = sql.identifier(Symbol('user'));
    return {
      fragment: sql`(select ${alias}.name from ${users.from} ${alias} where ${alias}.id = ${orders.alias}.user_id)`,
      codec: users.codec.attributes.name.codec,
    };
  }),
);

const preset = {
  extends: [PostGraphileAmberPreset, PostGraphileConnectionFilterPreset],
  plugins: [byUserName],
  // Nothing is known of a foreign table's indexes, and its columns would neither filter nor order.
  disablePlugins: ['PgIndexBehaviorsPlugin'],
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL,
      schemas: ['public'],
      poolConfig: { max: 8 },
    }),
  ],
  schema: { defaultBehavior: '+list -connection', connectionFilterRelations: true },
  grafserv: { graphqlPath: '/v1/graphql', websockets: false, graphiql: false },
  grafast: { explain: false },
};

const instance = postgraphile(preset);
const server = createServer();
server.on('error', (error) => {
  throw error;
});
await instance.createServ(grafserv).addTo(server);
server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
