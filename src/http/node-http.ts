import type * as Http from 'node:http';
import type * as Https from 'node:https';

/**
 * Node's own modules, not by `import`: that reads each of their properties, one of which loads a whole HTTP client and its websockets,
 * 5 MB that a server never uses.
 */
export const http: typeof Http = process.getBuiltinModule('node:http');
export const https: typeof Https = process.getBuiltinModule('node:https');
