-- AlterTable
ALTER TABLE "Organization" ADD COLUMN     "unverifiedClients" TEXT NOT NULL DEFAULT 'allow';

-- CreateTable
CREATE TABLE "ClientApproval" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "fingerprint" TEXT,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "ClientApproval_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "ClientApproval_createdAt_id_idx" ON "ClientApproval"("createdAt", "id");

-- CreateIndex
CREATE INDEX "ClientApproval_organizationId_createdAt_id_idx" ON "ClientApproval"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "ClientApproval_organizationId_clientId_key" ON "ClientApproval"("organizationId", "clientId");

-- AddForeignKey
ALTER TABLE "ClientApproval" ADD CONSTRAINT "ClientApproval_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
