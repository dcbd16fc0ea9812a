import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type JsonValue, MessageReader, parse } from '../../../../connectors/kafka/json.ts';
import { dateOfDays } from '../../../../connectors/kafka/time.ts';
import { kindOf, placeholderOf, readerOf } from '../../../../connectors/kafka/values.ts';

/** Reads literal JSON as a value of the type whose schema is as given. */
function read(type: string, schema: string | readonly [string, string], json: string): string | null {
  const kind = kindOf({ name: type, isEnum: false });
  if (kind === null) throw new Error(`${type} is not carried`);
  const [connect, name = null] = typeof schema === 'string' ? [schema] : schema;
  const reader = readerOf(kind, { type: connect, name });
  if (reader.kind === 'refuses') throw new Error(reader.reason);
  return reader.read(parse(json));
}

const TIME = 'io.debezium.time';
const DATA = 'io.debezium.data';

// As the connector 3.6.1 sends them, and as Postgres prints them.
const VALUES: readonly (readonly [string, string | readonly [string, string], string, string | null])[] = [
  ['int2', 'int16', '-5', '-5'],
  ['int4', 'int32', '2147483647', '2147483647'],
  ['int8', 'int64', '9007199254740993', '9007199254740993'],
  ['int8', 'int64', '-9223372036854775808', '-9223372036854775808'],
  ['oid', 'int64', '4294967295', '4294967295'],
  ['bool', 'boolean', 'true', 't'],
  ['bool', 'boolean', 'false', 'f'],
  ['float4', 'float', '1.1', '1.1'],
  ['float4', 'float', '1.0E-40', '1.0E-40'],
  ['float8', 'double', '-0.0', '-0.0'],
  ['float8', 'double', '1.0E300', '1.0E300'],
  ['float8', 'double', '"NaN"', 'NaN'],
  ['float8', 'double', '"-Infinity"', '-Infinity'],
  ['text', 'string', '"tä\\"x\\\\"', 'tä"x\\'],
  ['text', 'string', '"12"', '12'],
  ['varchar', 'string', '""', ''],
  ['bpchar', 'string', '"ab   "', 'ab   '],
  ['citext', 'string', '"CiT"', 'CiT'],
  [
    'uuid',
    ['string', `${DATA}.Uuid`],
    '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  ],
  ['json', ['string', `${DATA}.Json`], '"{\\"a\\" : 1.10}"', '{"a" : 1.10}'],
  ['jsonb', ['string', `${DATA}.Json`], '"{\\"a\\": 9007199254740993}"', '{"a": 9007199254740993}'],
  ['xml', ['string', `${DATA}.Xml`], '"<a>1</a>"', '<a>1</a>'],
  ['ltree', ['string', `${DATA}.Ltree`], '"a.b"', 'a.b'],
  ['tsvector', ['string', `${DATA}.Tsvector`], "\"'a' 'b'\"", "'a' 'b'"],
  ['inet', 'string', '"10.0.0.1"', '10.0.0.1'],
  ['cidr', 'string', '"10.0.0.0/8"', '10.0.0.0/8'],
  ['macaddr', 'string', '"08:00:2b:01:02:03"', '08:00:2b:01:02:03'],
  ['int4range', 'string', '"[1,5)"', '[1,5)'],
  ['tstzrange', 'string', '"[\\"2020-01-01 00:00:00+00\\",)"', '["2020-01-01 00:00:00+00",)'],
  ['bytea', 'bytes', '"3q2+7w=="', '\\xdeadbeef'],
  ['bytea', 'bytes', '""', '\\x'],
  ['numeric', 'string', '"0.000"', '0.000'],
  ['numeric', 'string', '"-12.30"', '-12.30'],
  ['numeric', 'string', '"1000000000000000000000000000000"', '1000000000000000000000000000000'],
  ['numeric', 'string', '"NAN"', 'NaN'],
  ['numeric', 'string', '"POSITIVE_INFINITY"', 'Infinity'],
  ['numeric', 'string', '"NEGATIVE_INFINITY"', '-Infinity'],
  ['numeric', 'string', '"AeJA"', null],
  ['money', 'string', '"-1234.50"', '-1234.50'],
  ['date', ['int32', `${TIME}.Date`], '18321', '2020-02-29'],
  ['date', ['int32', `${TIME}.Date`], '-171664', '1500-01-01'],
  ['date', ['int32', `${TIME}.Date`], '-735160', '0044-03-15 BC'],
  ['date', ['int32', `${TIME}.Date`], '-719469', '0001-02-29 BC'],
  ['date', ['int32', `${TIME}.Date`], '-719162', '0001-01-01'],
  ['date', ['int32', `${TIME}.Date`], '-2440550', '4713-01-01 BC'],
  ['date', ['int32', `${TIME}.Date`], '-2440588', '4714-11-24 BC'],
  ['date', ['int32', `${TIME}.Date`], '-2440589', null],
  ['date', ['int32', `${TIME}.Date`], '"soon"', null],
  ['date', ['int32', `${TIME}.Date`], '3789391', '12345-01-01'],
  ['date', ['int32', `${TIME}.Date`], '-2147472692', 'infinity'],
  ['date', ['int32', `${TIME}.Date`], '-2147472691', '-infinity'],
  ['date', ['int32', `${TIME}.Date`], '-2147472000', null],
  ['time', ['int32', `${TIME}.Time`], '45296789', '12:34:56.789'],
  ['time', ['int64', `${TIME}.MicroTime`], '45296789012', '12:34:56.789012'],
  ['time', ['int64', `${TIME}.MicroTime`], '0', '00:00:00'],
  ['time', ['int64', `${TIME}.MicroTime`], '86400000000', '24:00:00'],
  ['time', ['int64', `${TIME}.MicroTime`], '86400000001', null],
  ['time', ['int64', `${TIME}.MicroTime`], '-1', null],
  ['time', ['int64', `${TIME}.MicroTime`], '"soon"', null],
  ['timestamp', ['int64', `${TIME}.Timestamp`], '1577934245678', '2020-01-02 03:04:05.678'],
  ['timestamp', ['int64', `${TIME}.Timestamp`], '1577934246000', '2020-01-02 03:04:06'],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '1577934245678901', '2020-01-02 03:04:05.678901'],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '-1', '1969-12-31 23:59:59.999999'],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '-14831765877000000', '1500-01-01 01:02:03'],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '-63517824000000000', '0044-03-15 00:00:00 BC'],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '-210866803200000000', '4714-11-24 00:00:00 BC'],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '-210866803200000001', null],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '"soon"', null],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '9223372036825200000', 'infinity'],
  ['timestamp', ['int64', `${TIME}.MicroTimestamp`], '-9223372036832400000', '-infinity'],
  ['timestamp', ['int64', `${TIME}.Timestamp`], '9223372036825200', 'infinity'],
  [
    'timestamptz',
    ['string', `${TIME}.ZonedTimestamp`],
    '"2020-01-02T01:04:05.678901Z"',
    '2020-01-02 01:04:05.678901+00',
  ],
  [
    'timestamptz',
    ['string', `${TIME}.ZonedTimestamp`],
    '"2020-01-02T01:04:05.000000Z"',
    '2020-01-02 01:04:05+00',
  ],
  [
    'timestamptz',
    ['string', `${TIME}.ZonedTimestamp`],
    '"-0043-03-15T00:00:00.000000Z"',
    '0044-03-15 00:00:00+00 BC',
  ],
  [
    'timestamptz',
    ['string', `${TIME}.ZonedTimestamp`],
    '"0000-02-29T00:00:00.000000Z"',
    '0001-02-29 00:00:00+00 BC',
  ],
  [
    'timestamptz',
    ['string', `${TIME}.ZonedTimestamp`],
    '"+12345-01-01T00:00:00.000001Z"',
    '12345-01-01 00:00:00.000001+00',
  ],
  ['timestamptz', ['string', `${TIME}.ZonedTimestamp`], '"infinity"', 'infinity'],
  ['timestamptz', ['string', `${TIME}.ZonedTimestamp`], '"-infinity"', '-infinity'],
  ['timestamptz', ['string', `${TIME}.ZonedTimestamp`], '"2020-01-02T01:04:05+02:00"', null],
  ['interval', ['string', `${TIME}.Interval`], '"P0Y0M1DT-1H0M0S"', 'P0Y0M1DT-1H0M0S'],
  [
    'hstore',
    ['string', `${DATA}.Json`],
    '"{\\"bb\\":\\"1\\",\\"a\\":null,\\"c\\":\\"e\\\\\\"f\\"}"',
    '"a"=>NULL, "c"=>"e\\"f", "bb"=>"1"',
  ],
  ['hstore', 'map', '{"a":"1"}', '"a"=>"1"'],
  ['point', ['struct', `${DATA}.geometry.Point`], '{"x":1.5,"y":-0.0,"wkb":"","srid":null}', '(1.5,-0.0)'],
  ['point', ['struct', `${DATA}.geometry.Point`], '{"x":"NaN","y":2.0}', '(NaN,2.0)'],
];

/** A value of a message without a schema. */
function bare(json: string): JsonValue {
  return new MessageReader().read(Buffer.from(json)).payload;
}

describe('a value of Debezium', () => {
  test.each(VALUES)('%s as %j: %s is %j', (type, schema, json, text) => {
    expect(read(type, schema, json)).toBe(text);
  });

  test.each([
    ['numeric', ['bytes', 'org.apache.kafka.connect.data.Decimal'], 'decimal.handling.mode=string'],
    ['numeric', ['struct', `${DATA}.VariableScaleDecimal`], 'decimal.handling.mode=string'],
    ['money', 'double', 'decimal.handling.mode=string'],
    ['interval', ['int64', `${TIME}.MicroDuration`], 'interval.handling.mode=string'],
    ['timestamp', ['int64', `${TIME}.NanoTimestamp`], 'time.precision.mode=adaptive'],
    ['timestamp', ['int64', 'org.apache.kafka.connect.data.Timestamp'], 'time.precision.mode=adaptive'],
    ['time', ['string', `${TIME}.IsoTime`], 'time.precision.mode=adaptive'],
    ['bytea', 'string', 'binary.handling.mode=bytes'],
    ['int4', ['int32', `${TIME}.Date`], 'another type'],
    ['text', ['int64', `${TIME}.MicroTimestamp`], 'another type'],
  ] as const)('%s as %j is refused: %s', (type, schema, reason) => {
    expect(() => read(type, schema, '1')).toThrow(reason);
  });

  test.each('_int4 _text timetz name bit varbit box tsquery int4multirange geometry'.split(' '))(
    '%s is not carried: Debezium loses some of its values',
    (name) => {
      expect(kindOf({ name, isEnum: false })).toBeNull();
    },
  );

  test('a day is the one of the calendar', () => {
    const day = fc.integer({ min: Date.UTC(1000) / 86_400_000, max: Date.UTC(9999) / 86_400_000 });
    fc.assert(
      fc.property(day, (days) => {
        expect(dateOfDays(String(days))).toBe(new Date(days * 86_400_000).toISOString().slice(0, 10));
      }),
      {
        numRuns: 2_000,
        examples: ['2000-02-29', '2000-12-31', '2100-02-28', '2100-03-01'].map((each) => [
          Date.parse(each) / 86_400_000,
        ]),
      },
    );
  });

  test('an enum travels as its label, whatever it is called', () => {
    expect(kindOf({ name: 'mood', isEnum: true })).toBe('text');
  });

  test('without a schema values are read as the settings say that the documentation asks for', () => {
    const readAs = (type: string, json: string): string | null => {
      const reader = readerOf(kindOf({ name: type, isEnum: false }) ?? 'text', null);
      return reader.kind === 'reads' ? reader.read(bare(json)) : null;
    };
    expect(readAs('timestamp', '1577934245678901')).toBe('2020-01-02 03:04:05.678901');
    expect(readAs('timestamp', '-62135596800000000')).toBe('0001-01-01 00:00:00');
    expect(readAs('timestamp', '253402300799999999')).toBe('9999-12-31 23:59:59.999999');
    expect(readAs('timestamp', '9223372036825200000')).toBe('infinity');
    expect(readAs('timestamp', '0')).toBe('1970-01-01 00:00:00');
    expect(readAs('time', '45296789012')).toBe('12:34:56.789012');
    expect(readAs('numeric', '"1.50"')).toBe('1.50');
    expect(readAs('numeric', '"+zI="')).toBeNull();
    expect(readAs('int8', '9007199254740993')).toBe('9007199254740993');
    expect(readAs('bytea', '"AQ=="')).toBe('\\x01');
    expect(readAs('float8', '1.5')).toBe('1.5');
    expect(readAs('hstore', '"{\\"a\\":\\"1\\"}"')).toBe('"a"=>"1"');
    expect(readAs('hstore', '{"a":"1","b":null}')).toBe('"a"=>"1", "b"=>NULL');
    expect(readAs('float8', '"NaN"')).toBe('NaN');
    expect(readAs('date', '18263')).toBe('2020-01-02');
    expect(readAs('point', '{"x":1.5,"y":-2.0}')).toBe('(1.5,-2.0)');
  });

  test.each([
    ['timestamp', '1577934245678', 'time.precision.mode=microseconds'],
    ['timestamp', '-1577934245678', 'time.precision.mode=microseconds'],
    ['timestamp', '1577934245678901000', 'time.precision.mode=microseconds'],
    ['time', '45296789', 'time.precision.mode=microseconds'],
    ['numeric', '1.5', 'decimal.handling.mode=string'],
    ['bytea', '"deadbeef"', 'binary.handling.mode=bytes'],
  ] as const)(
    '%s as %s may be in the form of another setting: without a schema it is not read',
    (type, json, setting) => {
      const reader = readerOf(kindOf({ name: type, isEnum: false }) ?? 'text', null);
      if (reader.kind === 'refuses') throw new Error(reader.reason);
      expect(reader.read(bare(json))).toBeNull();
      expect(reader.hint).toContain(`set ${setting} on the Debezium connector`);
      expect(reader.hint).toContain('value.converter.schemas.enable=true');
    },
  );

  test('what stands for a value that was not sent has the form of its type', () => {
    expect(placeholderOf('text', 'gone')).toBe('gone');
    expect(placeholderOf('numeric', 'gone')).toBe('gone');
    expect(placeholderOf('bytea', 'gone')).toBe('Z29uZQ==');
    expect(placeholderOf('hstore', 'gone')).toBe('{"gone":"gone"}');
    expect(placeholderOf('integer', 'gone')).toBeNull();
  });
});
