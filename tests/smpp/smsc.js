// An SMSC for the tests, on the npm package `smpp` (script/setup installs it). It tells what it sees on stdout, one JSON
// object per line, and ends when its stdin does.
//
//   node smsc.js PORT [KEY-FILE CERTIFICATE-FILE]      PORT 0: any free one
//
// It takes the system_id `restante` with the password `secret`. The last three digits of a destination say what becomes of
// a submission: 000 is accepted, 999 never answered, 998 ends the connection, 997 is accepted only at the second try (88
// before), and any other number is the command_status of the answer.
'use strict';

const fs = require('fs');
const smpp = require('smpp');

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const tried = new Set();

function text(field) {
    if (field === undefined || field === null) return undefined;
    if (typeof field === 'string') return field;
    if (Buffer.isBuffer(field)) return field.toString('latin1');
    return text(field.message);
}

function header(field) {
    const udh = field && field.udh;
    if (!udh) return undefined;
    return (Array.isArray(udh) ? udh : [udh]).map((part) => part.toString('hex'));
}

function submitted(session, pdu) {
    tell({
        event: 'submit',
        source: [pdu.source_addr, pdu.source_addr_ton, pdu.source_addr_npi],
        destination: [pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi],
        coding: pdu.data_coding,
        esm_class: pdu.esm_class,
        text: text(pdu.short_message),
        header: header(pdu.short_message),
        payload: text(pdu.message_payload),
    });
    const wanted = Number(pdu.destination_addr.slice(-3));
    if (wanted === 999) return;
    if (wanted === 998) return session.destroy();
    if (wanted === 997) {
        const again = tried.has(pdu.destination_addr);
        tried.add(pdu.destination_addr);
        return session.send(pdu.response({ command_status: again ? 0 : 88, message_id: 'm' }));
    }
    session.send(pdu.response({ command_status: wanted, message_id: 'm' + pdu.sequence_number }));
}

function served(session) {
    const bind = (kind) => (pdu) => {
        const good = pdu.system_id === 'restante' && pdu.password === 'secret';
        tell({ event: 'bind', kind, good, version: pdu.interface_version, system_type: pdu.system_type });
        session.send(pdu.response({ command_status: good ? 0 : 0x0e, system_id: 'smsc' }));
        // A receipt that nobody ordered: it is to be answered all the same.
        if (good && kind === 'transceiver') {
            session.deliver_sm({ source_addr: '1', destination_addr: '2', short_message: 'hello' }, () =>
                tell({ event: 'receipt-taken' }));
        }
    };
    session.on('bind_transceiver', bind('transceiver'));
    session.on('bind_transmitter', bind('transmitter'));
    session.on('submit_sm', (pdu) => submitted(session, pdu));
    session.on('enquire_link', (pdu) => {
        tell({ event: 'enquire-link' });
        session.send(pdu.response());
    });
    session.on('unbind', (pdu) => {
        tell({ event: 'unbind' });
        session.send(pdu.response());
        session.close();
    });
    session.on('close', () => tell({ event: 'closed' }));
    session.on('error', (error) => tell({ event: 'error', text: String(error) }));
}

const [port, key, certificate] = process.argv.slice(2);
const options = key ? { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) } : {};
const server = smpp.createServer(options, served);
server.listen(Number(port), '127.0.0.1', () => tell({ event: 'listening', port: server.address().port }));
process.stdin.on('end', () => process.exit(0)).resume();
