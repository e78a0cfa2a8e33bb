// A stand-in for one namespace of Azure Event Hubs: what a hub tells about
// itself and its partitions over AMQP 1.0 ($cbs and $management), to those who
// have the key. Events can be neither sent nor received.
//
// It prints its ports as JSON: amqp for clients, control for tests, who set
// the state by POST and read what was asked by GET. It ends with its standard
// input, so that it does not outlive a test that broke off.
'use strict';

const crypto = require('crypto');
const http = require('http');
const container = require('rhea').create_container({ id: 'eventhub' });
const { types } = require('rhea');

// The state: hubs by name with their partitions {id, first, last, empty}; keys
// by name; tokens that are accepted as JWT; deny; and a fault, see answer().
let state = { hubs: {}, keys: {}, tokens: [], deny: false, fault: '' };
let seen = { connections: 0, puts: 0, hubs: 0, partitions: 0, atOnce: 0 };

// accepted checks a token for one of some audiences, as the service does:
// signature, end, and that the audience is at or below what was signed.
function accepted(token, ...audiences) {
  if (state.deny) {
    return false;
  }
  if (state.tokens.includes(token)) {
    return true;
  }
  const parts = /^SharedAccessSignature sr=([^&]*)&sig=([^&]*)&se=(\d+)&skn=(.*)$/.exec(token);
  if (!parts || !state.keys[parts[4]] || Number(parts[3]) * 1000 < Date.now()) {
    return false;
  }
  const want = crypto.createHmac('sha256', state.keys[parts[4]]).update(parts[1] + '\n' + parts[3]).digest('base64');
  return decodeURIComponent(parts[2]) === want && audiences.some((one) => one.toLowerCase().startsWith(decodeURIComponent(parts[1])));
}

const status = (code) => ({ application_properties: { 'status-code': types.wrap_int(code), 'status-description': 'text of the service with a secret' } });

function put(m) {
  seen.puts++;
  const p = m.application_properties;
  if (p.operation !== 'put-token' || !['jwt', 'servicebus.windows.net:sastoken'].includes(p.type)) {
    return status(400);
  }
  return status(accepted(m.body, p.name) ? 202 : 401);
}

function read(m, host) {
  const p = m.application_properties;
  const hub = state.hubs[p.name];
  if (p.operation !== 'READ') {
    return status(400);
  }
  if (!accepted(p.security_token, `amqp://${host}/${p.name}`, `amqps://${host}/${p.name}`)) {
    return status(401);
  }
  if (!hub) {
    return status(404);
  }
  if (p.type === 'com.microsoft:eventhub') {
    seen.hubs++;
    return {
      ...status(200),
      body: {
        name: p.name, type: p.type, created_at: types.wrap_timestamp(0), partition_count: types.wrap_int(hub.length),
        partition_ids: types.wrap_array(hub.map((one) => one.id), 0xb1), georeplication_factor: types.wrap_int(1),
      },
    };
  }
  seen.partitions++;
  const one = hub.find((one) => one.id === p.partition);
  if (!one) {
    return status(404);
  }
  return {
    ...status(200),
    body: {
      name: p.name, type: p.type, partition: one.id,
      begin_sequence_number: types.wrap_long(one.first), last_enqueued_sequence_number: types.wrap_long(one.last),
      last_enqueued_offset: types.wrap_string(String(one.last)), last_enqueued_time_utc: types.wrap_timestamp(0), is_partition_empty: one.empty,
    },
  };
}

// bare is an encoded message that has a status and no properties section.
function bare() {
  const name = Buffer.from('status-code');
  const map = Buffer.concat([Buffer.from([2, 0xa1, name.length]), name, Buffer.from([0x71, 0, 0, 0, 200])]);
  return Buffer.concat([Buffer.from([0x00, 0x53, 0x74, 0xc1, map.length]), map]);
}

// answer sends the reply, or what state.fault says in its place: no
// properties, no status, another correlation, no body, another partition, a
// status, a closed link or connection with a condition, or nothing.
let waiting = 0;
function answer(context, reply, node) {
  const m = context.message;
  const [fault, detail] = node === '$management' ? state.fault.split(' ') : [''];
  const sender = context.connection.find_sender((s) => s.target && s.target.address === m.reply_to);
  reply.correlation_id = m.message_id;
  switch (fault) {
    case 'silent': return;
    case 'close': context.connection.close({ condition: detail, description: 'text of the service with a secret' }); return;
    case 'detach': sender.close({ condition: detail, description: 'text of the service with a secret' }); return;
    case 'drop': context.connection.socket.destroy(); return;
    case 'status': Object.assign(reply, status(Number(detail))); break;
    case 'unrelated': reply.correlation_id = 'x'; break;
    case 'bare': sender.send(bare(), undefined, 0); return;
    case 'statusless': reply.application_properties = {}; break;
    case 'bodiless': delete reply.body; break;
    case 'partitionless': if (reply.body && reply.body.partition_ids) { delete reply.body.partition_ids; } break;
    case 'other': if (reply.body && reply.body.partition) { reply.body.partition = 'x'; } break;
    case 'numberless': if (reply.body) { delete reply.body.last_enqueued_sequence_number; } break;
    case 'odd': if (reply.body && reply.body.partition_ids) { reply.body.partition_ids = types.wrap_array(['../..'], 0xb1); } break;
  }
  waiting++;
  seen.atOnce = Math.max(seen.atOnce, waiting);
  setImmediate(() => {
    waiting--;
    if (sender.is_open()) {
      sender.send(reply);
    }
  });
}

container.sasl_server_mechanisms.enable_anonymous();
container.on('connection_open', () => { seen.connections++; });
container.on('sender_open', (context) => {
  context.sender.set_source(context.sender.source);
  context.sender.set_target(context.sender.target);
});
container.on('receiver_open', (context) => {
  context.receiver.set_source(context.receiver.source);
  context.receiver.set_target(context.receiver.target);
});
container.on('message', (context) => {
  const node = context.receiver.target.address;
  answer(context, node === '$cbs' ? put(context.message) : read(context.message, context.connection.hostname), node);
});
for (const event of ['disconnected', 'error', 'connection_error', 'session_error', 'sender_error', 'receiver_error', 'protocol_error']) {
  container.on(event, () => {});
}

process.stdin.on('end', () => process.exit()).resume();

const amqp = container.listen({ host: '127.0.0.1', port: 0, sender_options: { snd_settle_mode: 1 } });
amqp.on('connection', (socket) => socket.setNoDelay(true));
amqp.on('listening', () => {
  const control = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => {
      if (request.method === 'POST') {
        state = { ...state, ...JSON.parse(body) };
      }
      response.end(JSON.stringify(seen));
    });
  });
  control.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ amqp: amqp.address().port, control: control.address().port }));
  });
});
