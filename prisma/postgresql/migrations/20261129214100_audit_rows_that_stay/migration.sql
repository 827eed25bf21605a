-- AlterTable
ALTER TABLE "AuditChain" ADD COLUMN     "kept" TEXT NOT NULL DEFAULT '';
