BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE alias_move (
	name TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	target TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (name, version), 
	FOREIGN KEY(seq) REFERENCES event (seq)
);
INSERT INTO "alias_move" VALUES('production',1,'release:1',2);
CREATE TABLE answer (
	id TEXT NOT NULL, 
	release TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(seq) REFERENCES event (seq)
);
INSERT INTO "answer" VALUES('ans_0000','release:0',4);
INSERT INTO "answer" VALUES('ans_0001','release:0',5);
CREATE TABLE artifact (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(seq) REFERENCES event (seq)
);
INSERT INTO "artifact" VALUES('corpus:502c61cf71a861081793c87802ef928d724d063518bf78555a8d390fe7d8bbd7','corpus',1);
CREATE TABLE artifact_parent (
	child TEXT NOT NULL, 
	role TEXT NOT NULL, 
	parent TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (child, role), 
	FOREIGN KEY(child) REFERENCES artifact (id), 
	FOREIGN KEY(seq) REFERENCES event (seq)
);
INSERT INTO "artifact_parent" VALUES('corpus:502c61cf71a861081793c87802ef928d724d063518bf78555a8d390fe7d8bbd7','a','corpus:1',1);
CREATE TABLE erasure (
	digest TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (digest), 
	FOREIGN KEY(seq) REFERENCES event (seq)
);
INSERT INTO "erasure" VALUES('sha256:d5960cc458603002627198717e1e8f75e92b281913ebaf6bf693f0ac05b6d054',7);
CREATE TABLE event (
	seq INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	at TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	prev TEXT NOT NULL, 
	mac TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "event" VALUES(1,'artifact.created','corpus:502c61cf71a861081793c87802ef928d724d063518bf78555a8d390fe7d8bbd7','2026-01-01T00:00:00.000000+00:00','li','{"kind":"corpus","parents":{"a":"corpus:1"},"receipt":{"cost":{},"created_at":"2026-01-01T00:00:00+00:00","hardware":{"cores":2,"cpu":"test"},"wall_s":1.5},"receipt_digest":"sha256:2f5191ddd868d6ac00cb3633e38fd0c93b43af4c685cd05bcc61a5ca25e5527a"}','0000000000000000000000000000000000000000000000000000000000000000','0e43bd43cd74cabfcc6623904763a0647fccaab3ef147cd540b13dd3f4e7a099');
INSERT INTO "event" VALUES(2,'alias.moved','production','2026-01-01T00:00:00.000000+00:00','li','{"reason":"first","target":"release:1","version":1}','0e43bd43cd74cabfcc6623904763a0647fccaab3ef147cd540b13dd3f4e7a099','c756d63daa64a868a4d576f462871f06399cca5f049d1b9ff8d7830b55cdd776');
INSERT INTO "event" VALUES(3,'step.finished','r','2026-01-01T00:00:00.000000+00:00','li','{"key":"k","name":"data","outputs":{}}','c756d63daa64a868a4d576f462871f06399cca5f049d1b9ff8d7830b55cdd776','f2c62900e8f949ee68689bac793c3d5429fa5d66c561fb91cdcd25580640566f');
INSERT INTO "event" VALUES(4,'answer.recorded','ans_0000','2026-01-01T00:00:00.000000+00:00','key-1','{"at":"2026-01-01T00:00:00+00:00","completion_tokens":7,"decoding":{"temperature":0.0},"finish_reason":"stop","first_token_ms":1.5,"payload":"sha256:07deda6cbf33ca777baa0b7b8677b51d1793231036fd9d10fb7775ab3be21910","prompt_tokens":5,"release":"release:0","total_ms":20.0}','f2c62900e8f949ee68689bac793c3d5429fa5d66c561fb91cdcd25580640566f','e4c11d038691a1bb4baa4405c05ce34a01a840591e6ed9a3a9ef2b3bf267438b');
INSERT INTO "event" VALUES(5,'answer.recorded','ans_0001','2026-01-01T00:00:00.000000+00:00','key-1','{"at":"2026-01-01T00:00:01+00:00","completion_tokens":7,"decoding":{"temperature":0.0},"finish_reason":"stop","first_token_ms":1.5,"payload":"sha256:d5960cc458603002627198717e1e8f75e92b281913ebaf6bf693f0ac05b6d054","prompt_tokens":5,"release":"release:0","total_ms":20.0}','e4c11d038691a1bb4baa4405c05ce34a01a840591e6ed9a3a9ef2b3bf267438b','d2e3e87640882e90c95f6ae5fad992df8746fea9295024f0f661297f33327fdd');
INSERT INTO "event" VALUES(6,'feedback.recorded','fb-1','2026-01-01T00:00:00.000000+00:00','key-1','{"answer":"ans_0000","at":"2026-01-02T00:00:00+00:00","label":null,"payload":"sha256:0f193101d626923265f609f199eec53f042276d7797de2ced875b545c76b1835","score":0.0}','d2e3e87640882e90c95f6ae5fad992df8746fea9295024f0f661297f33327fdd','5003746a866d0979436026d36cc35bd4c3ec8d6963cd4201864b63f04fa76778');
INSERT INTO "event" VALUES(7,'payload.erased','ans_0001','2026-01-01T00:00:00.000000+00:00','dpo','{"payload":"sha256:d5960cc458603002627198717e1e8f75e92b281913ebaf6bf693f0ac05b6d054","reason":"asked"}','5003746a866d0979436026d36cc35bd4c3ec8d6963cd4201864b63f04fa76778','90b43ceb104bebf28620ad461baddaa75fe87cc378d1acb14115709a68a59be8');
CREATE TABLE feedback (
	id TEXT NOT NULL, 
	answer TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(answer) REFERENCES answer (id), 
	FOREIGN KEY(seq) REFERENCES event (seq)
);
INSERT INTO "feedback" VALUES('fb-1','ans_0000',6);
CREATE TABLE payload (
	digest TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "payload" VALUES('sha256:07deda6cbf33ca777baa0b7b8677b51d1793231036fd9d10fb7775ab3be21910','{"salt":"e904c9abec8732cd951646ff8f193fe4","value":{"content":"答案 0","messages":[{"content":"问题 0","role":"user"}],"reasoning":null}}');
INSERT INTO "payload" VALUES('sha256:0f193101d626923265f609f199eec53f042276d7797de2ced875b545c76b1835','{"salt":"1b98471034b2761cce590777f2838e64","value":{"comment":"慢","correction":null}}');
CREATE TABLE step (
	seq INTEGER NOT NULL, 
	run TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES event (seq)
);
INSERT INTO "step" VALUES(3,'r','k');
CREATE INDEX event_by_kind ON event (kind, seq);
CREATE INDEX event_by_subject ON event (subject, seq);
CREATE INDEX artifact_by_seq ON artifact (seq);
CREATE INDEX artifact_parent_by_parent ON artifact_parent (parent);
CREATE INDEX artifact_parent_by_seq ON artifact_parent (seq);
CREATE INDEX alias_move_by_target ON alias_move (target);
CREATE INDEX alias_move_by_seq ON alias_move (seq);
CREATE INDEX step_by_run ON step (run, seq);
CREATE INDEX step_by_key ON step ("key", seq);
CREATE INDEX answer_by_seq ON answer (seq);
CREATE INDEX answer_by_release ON answer (release, seq);
CREATE INDEX feedback_by_seq ON feedback (seq);
CREATE INDEX feedback_by_answer ON feedback (answer, seq);
CREATE INDEX erasure_by_seq ON erasure (seq);
COMMIT;
