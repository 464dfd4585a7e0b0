// How much longer than usual the tests wait before they call a thing late. `npm test` sets it, for its suites
// share the processors, and `npm run memory`, for programs under valgrind or with sanitizers are many times slower; what is
// tested, and what it has to do, stays the same.
const PATIENCE = Number(process.env.BULKHEAD_PATIENCE ?? 1);

/** `milliseconds`, or that many times more. */
export const patiently = (milliseconds: number): number => milliseconds * PATIENCE;
