/** For tests of programs that use cardwire as a library: a service without readers, and what every service must do. */
export { cardServiceContract, type DefineTest } from "./card-service-contract.ts";
export type { ContractSubject } from "./contract-judge.ts";
export { FakeService, fakeReader, fakeService } from "./fake-service.ts";
export type { FakeAnswers, FakeCall } from "./fake-session.ts";
