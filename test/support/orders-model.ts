/** Six tables dealt out over two databases, and once more all in one. */

export type TableName = 'orders' | 'items' | 'users' | 'countries' | 'reviews' | 'stores';
export type Kind = 'int' | 'text' | 'numeric' | 'float' | 'bool' | 'date' | 'timestamptz';

export interface RelationshipModel {
  readonly kind: 'object' | 'array';
  readonly to: TableName;
  readonly on: Readonly<Record<string, string>>;
}

export interface TableModel {
  readonly database: 'pg1' | 'pg2';
  readonly ddl: string;
  readonly columns: Readonly<Record<string, Kind>>;
  readonly relationships: Readonly<Record<string, RelationshipModel>>;
}

const object = (to: TableName, on: Record<string, string>): RelationshipModel => ({ kind: 'object', to, on });
const array = (to: TableName, on: Record<string, string>): RelationshipModel => ({ kind: 'array', to, on });

export const MODEL: Readonly<Record<TableName, TableModel>> = {
  orders: {
    database: 'pg1',
    ddl: 'create table orders (id int primary key, user_id bigint, store_region text, store_no int, status text not null, amount numeric(12,2), placed timestamptz)',
    columns: {
      id: 'int',
      user_id: 'int',
      store_no: 'int',
      status: 'text',
      amount: 'numeric',
      placed: 'timestamptz',
    },
    relationships: {
      items: array('items', { id: 'order_id' }),
      user: object('users', { user_id: 'id' }),
      store: object('stores', { store_region: 'region', store_no: 'no' }),
      reviews: array('reviews', { id: 'order_id' }),
    },
  },
  items: {
    database: 'pg1',
    ddl: 'create table items (id int primary key, order_id int, product text, qty smallint)',
    columns: { id: 'int', order_id: 'int', product: 'text', qty: 'int' },
    relationships: { order: object('orders', { order_id: 'id' }) },
  },
  users: {
    database: 'pg2',
    ddl: 'create table users (id int primary key, name text, country_id int, score float8, active boolean, born date)',
    columns: { id: 'int', name: 'text', country_id: 'int', score: 'float', active: 'bool', born: 'date' },
    relationships: {
      country: object('countries', { country_id: 'id' }),
      reviews: array('reviews', { id: 'user_id' }),
      orders: array('orders', { id: 'user_id' }),
    },
  },
  countries: {
    database: 'pg2',
    ddl: 'create table countries (id int primary key, code text not null)',
    columns: { id: 'int', code: 'text' },
    relationships: { users: array('users', { id: 'country_id' }) },
  },
  reviews: {
    database: 'pg2',
    ddl: 'create table reviews (id int primary key, user_id int, order_id int, stars int, body text)',
    columns: { id: 'int', user_id: 'int', order_id: 'int', stars: 'int', body: 'text' },
    relationships: {
      user: object('users', { user_id: 'id' }),
      order: object('orders', { order_id: 'id' }),
    },
  },
  stores: {
    database: 'pg2',
    ddl: 'create table stores (region text, no int, label text, primary key (region, no))',
    columns: { region: 'text', no: 'int', label: 'text' },
    relationships: { orders: array('orders', { region: 'store_region', no: 'store_no' }) },
  },
};

export const TABLES = Object.keys(MODEL) as readonly TableName[];

/** Whether a relationship leads to the other database. */
export function crosses(from: TableName, relationship: RelationshipModel): boolean {
  return MODEL[from].database !== MODEL[relationship.to].database;
}
