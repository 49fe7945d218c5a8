import { registerHooks } from 'node:module';

// With `node --import`: a program that imports the package as a user does gets it from the sources.
const client = new URL('../client/index.ts', import.meta.url).href;
registerHooks({ resolve: (specifier, context, next) => next(specifier === 'hydrant/client' ? client : specifier, context) });
