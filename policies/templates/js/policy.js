// {{name}}: what a bank sends is discarded when it has expired; with everything else happens what its recipient prefers.
import { log } from 'restante:policy/host@1.0.0';

let domain;

export const settings = {
  schema() {
    return JSON.stringify({
      type: 'object',
      additionalProperties: false,
      properties: {
        domain: {
          description: 'What comes from this domain is not kept when it has expired',
          type: 'string',
          maxLength: 255,
          default: 'bank.example',
        },
      },
    });
  },

  // What is thrown here is shown to the operator. It must be a string.
  configure(json) {
    // The domains of senders come in lower case.
    domain = (JSON.parse(json).domain ?? 'bank.example').toLowerCase();
  },
};

export const expiry = {
  judge(context, message) {
    if (message.sender?.split('@')[1] === domain) {
      log('debug', `from ${domain}: it is not kept`);
      return { tag: 'discard' };
    }
    // The standard behaviour.
    return { tag: context.preferences.expired ?? 'discard' };
  },
};
