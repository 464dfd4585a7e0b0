// Everything that two processes of Bulkhead say to each other. No Node, no DOM: the site imports this too.
export * from './api.ts';
export {
  type BrokerEvent,
  type BrokerMethod,
  type BrokerParams,
  type BrokerResult,
  brokerAnswerSchema,
  brokerErrorCodes,
  brokerErrorSchema,
  brokerEventSchema,
  brokerMethods,
  type MachineRecord,
  machineIdSchema,
  machineRecordSchema,
  type Probe,
  type TraceStep,
  terminalIdSchema,
  traceStepSchema,
} from './broker.ts';
export * from './bytes.ts';
export * from './frames.ts';
export * from './lines.ts';
export * from './link.ts';
