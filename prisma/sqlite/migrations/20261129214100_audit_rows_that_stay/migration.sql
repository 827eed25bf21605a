-- AlterTable
-- In place: to make the table anew, the triggers that look into it would have to go first.
ALTER TABLE "AuditChain" ADD COLUMN "kept" TEXT NOT NULL DEFAULT '';
